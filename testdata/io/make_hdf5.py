"""Writes hdf5/*.h5: scans whose frame k has the pixels (7k + 3y + x) mod 251, in the layouts of several programs."""
import os

import h5py
import hdf5plugin
import numpy as np

out = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'hdf5', '')
# frame k of any scan: pixel (y,x) = (7k + 3y + x) mod 251
def data(n0,n1,h,w,dt):
    k=np.arange(n0*n1).reshape(n0,n1,1,1); y=np.arange(h).reshape(1,1,h,1); x=np.arange(w).reshape(1,1,1,w)
    return ((7*k+3*y+x)%251).astype(dt)
with h5py.File(out+'filters.h5','w',libver='earliest') as f:
    d=data(3,5,6,8,'u2')
    f.create_dataset('contiguous',data=d)
    f.create_dataset('big_endian',data=d.astype('>u2'))
    f.create_dataset('gzip_shuffle',data=d,chunks=(2,3,6,8),compression='gzip',shuffle=True,fletcher32=True)
    f.create_dataset('cut_frames',data=d,chunks=(1,2,4,5),compression='gzip')
    f.create_dataset('lzf',data=d,chunks=(1,5,6,8),compression='lzf')
    f.create_dataset('bitshuffle_lz4',data=d,chunks=(3,5,6,8),**hdf5plugin.Bitshuffle(cname='lz4'))
    f.create_dataset('bitshuffle',data=d,chunks=(3,5,6,8),**hdf5plugin.Bitshuffle(cname='none'))
    f.create_dataset('lz4',data=d,chunks=(3,5,6,8),**hdf5plugin.LZ4())
    f.create_dataset('blosc',data=d,chunks=(3,5,6,8),**hdf5plugin.Blosc())
    f.create_dataset('half',data=d.astype('f2'))
    f.create_dataset('bool',data=d%2==0)
    f.create_dataset('float',data=d.astype('<f4'))
    f.create_dataset('text',data='no numbers')
    f.create_dataset('complex',data=d.astype('c8')[:1,:1])
with h5py.File(out+'latest.h5','w',libver='latest') as f:
    f.create_dataset('scan/data',data=data(4,3,5,4,'i4'),chunks=(2,2,5,4),compression='gzip',maxshape=(None,3,5,4))
with h5py.File(out+'emd_1.h5','w') as f:
    f.attrs['emd_group_type']='file'; f.attrs['version_major']=1; f.attrs['version_minor']=0
    r=f.create_group('experiment'); r.attrs['emd_group_type']='root'
    g=r.create_group('datacube'); g.attrs['emd_group_type']='array'; g.attrs['python_class']='DataCube'
    d=g.create_dataset('data',data=data(3,4,5,6,'u1')); d.attrs['units']='counts'
    for k,(name,unit,line) in enumerate([('Rx','nm',[0,2.5]),('Ry','nm',[0,2.5]),('Qx','A^-1',[-.05,-.03]),('Qy','A^-1',[-.06,-.04])]):
        q=g.create_dataset(f'dim{k}',data=np.array(line)); q.attrs['name']=name; q.attrs['units']=unit
    s=r.create_group('mean'); s.attrs['emd_group_type']='array'; s.create_dataset('data',data=np.zeros((5,6)))
with h5py.File(out+'emd_0.h5','w') as f:
    g=f.create_group('experimental/science_data'); g.attrs['emd_group_type']=1
    g.create_dataset('data',data=data(3,4,5,6,'u2'))
    for k,n in enumerate((3,4,5,6)):
        q=g.create_dataset(f'dim{k+1}',data=np.arange(n)*.5+k); q.attrs['name']=np.bytes_(f'axis{k}'); q.attrs['units']=np.bytes_('[n_m]')
with h5py.File(out+'py4dstem_13.h5','w') as f:
    g=f.create_group('4DSTEM_experiment/data/datacubes/datacube_0')
    g.create_dataset('data',data=data(3,4,5,6,'f4'))
with h5py.File(out+'fpd.h5','w') as f:
    f.attrs['fpd_version']='0.67.0.4'
    g=f.create_group('fpd_expt/fpd_data')
    g.create_dataset('data',data=data(3,4,5,6,'>u2').reshape(3,4,1,5,6),chunks=(2,2,1,5,6),compression='gzip')
with h5py.File(out+'ebsd.h5','w') as f:
    g=f.create_group('Scan 1/EBSD')
    g.create_dataset('Data/patterns',data=data(3,4,5,6,'u1').reshape(12,5,6))
    g.create_dataset('Header/n_rows',data=3); g.create_dataset('Header/n_columns',data=np.array([4]))
with h5py.File(out+'nexus.h5','w') as f:
    e=f.create_group('entry'); e.attrs['NX_class']='NXentry'
    g=e.create_group('data'); g.attrs['NX_class']='NXdata'; g.attrs['signal']='counts'; g.attrs['axes']=['ry','rx','.','.']
    g.create_dataset('counts',data=data(3,4,5,6,'u4'))
    q=g.create_dataset('ry',data=np.array([10.,20.,30.])); q.attrs['units']='nm'
    q=g.create_dataset('rx',data=np.array([0.,5.,10.,15.])); q.attrs['units']='nm'
